const { PostHog } = require('posthog-node')
const { job, run } = require('./plan.cjs')

const send = (client, { kind, user, name, data, group, previous }) => {
  const distinctId = user
  if (kind === 'identify') client.identify({ distinctId, properties: data })
  else if (kind === 'track') client.capture({ distinctId, event: name, properties: data })
  else if (kind === 'page') client.capture({ distinctId, event: '$pageview', properties: data })
  else if (kind === 'screen') client.capture({ distinctId, event: '$screen', properties: { ...data, $screen_name: name } })
  else if (kind === 'group') client.groupIdentify({ groupType: 'club', groupKey: group, properties: data, distinctId })
  else client.alias({ distinctId: previous, alias: user })
}

run(async () => {
  const { url, key, calls } = job()
  const client = new PostHog(key, { host: url, flushAt: 6, maxBatchSize: 6, fetchRetryCount: 10, fetchRetryDelay: 500 })
  const failed = []
  client.on('error', (error) => failed.push(String(error)))
  for (const call of calls) send(client, call)
  await client.shutdown(60000)
  if (failed.length) throw new Error(failed.join('\n'))
})
