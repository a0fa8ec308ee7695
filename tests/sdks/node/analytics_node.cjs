const Analytics = require('analytics-node')
const { job, run, segmentCall } = require('./plan.cjs')

run(async () => {
  const { url, key, calls } = job()
  // It sends its batches side by side; three retries within a second would not outlast a restart.
  const analytics = new Analytics(key, { host: url, flushAt: 10, retryCount: 8 })
  await Promise.all(
    calls.map(
      (call) =>
        new Promise((resolve, reject) =>
          analytics[call.kind](segmentCall(call), (error) => (error ? reject(error) : resolve()))
        )
    ).concat(analytics.flush())
  )
})
