const RudderAnalytics = require('@rudderstack/rudder-sdk-node')
const { job, run, segmentCall } = require('./plan.cjs')

run(async () => {
  const { url, key, mode, calls } = job()
  const failed = []
  const analytics = new RudderAnalytics(key, {
    dataPlaneUrl: url,
    flushAt: 10,
    retryCount: 8,
    gzip: mode === 'gzip',
    logLevel: 'none',
    errorHandler: (error) => failed.push(String(error)),
  })
  const told = calls.map(
    (call) =>
      new Promise((resolve, reject) =>
        analytics[call.kind](segmentCall(call), (error) => (error ? reject(error) : resolve()))
      )
  )
  await analytics.flush()
  await Promise.all(told)
  if (failed.length) throw new Error(failed.join('\n'))
})
