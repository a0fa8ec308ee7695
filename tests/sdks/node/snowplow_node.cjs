const { newTracker, buildPageView, buildScreenView, buildSelfDescribingEvent } = require('@snowplow/node-tracker')
const { job, run } = require('./plan.cjs')

const event = ({ kind, name, data }) => {
  if (kind === 'page') return buildPageView({ pageUrl: 'https://shop.example.com/checkout' })
  if (kind === 'screen') return buildScreenView({ name, id: '6f1ed002-ab5c-4c9d-9b5c-0f1f7b1f7d10' })
  return buildSelfDescribingEvent({ event: { schema: `iglu:com.example/${name}/jsonschema/1-0-0`, data } })
}

run(async () => {
  const { port, key, mode, calls } = job()
  let taken = 0
  const tracker = newTracker(
    { namespace: 'shop', appId: key, encodeBase64: mode === 'get' },
    {
      endpoint: '127.0.0.1',
      port,
      protocol: 'http',
      eventMethod: mode,
      bufferSize: 10,
      onRequestSuccess: (batch) => (taken += batch.length),
    }
  )
  for (const [index, call] of calls.entries()) {
    tracker.setUserId(call.user)
    tracker.track(event(call))
    // It repeats what failed only when it is told to flush, and sends all that waits in one request.
    while ((index + 1) % 6 === 0 && taken <= index) {
      await tracker.flush()
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
})
