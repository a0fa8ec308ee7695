const { Analytics } = require('@segment/analytics-node')
const { job, run, segmentCall } = require('./plan.cjs')

run(async () => {
  const { url, key, calls } = job()
  const analytics = new Analytics({ writeKey: key, host: url, flushAt: 10, maxRetries: 10 })
  const failed = []
  analytics.on('error', (error) => failed.push(error))
  for (const call of calls) analytics[call.kind](segmentCall(call))
  await analytics.closeAndFlush({ timeout: 60000 })
  if (failed.length) throw new Error(JSON.stringify(failed))
})
