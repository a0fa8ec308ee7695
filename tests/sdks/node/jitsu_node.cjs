const { jitsuAnalytics } = require('@jitsu/js')
const { job, run } = require('./plan.cjs')

run(async () => {
  const { url, key, calls } = job()
  const clients = {}
  for (const { kind, user, name, data, group } of calls) {
    // One instance is one person: it keeps who was identified.
    const jitsu = (clients[user] ??= jitsuAnalytics({ host: url, writeKey: `rapport:${key}`, s2s: true }))
    if (kind === 'identify') await jitsu.identify(user, data)
    else if (kind === 'track') await jitsu.track(name, data)
    else if (kind === 'group') await jitsu.group(group, data)
    else await jitsu.page('Checkout', data) // it makes the name a property
  }
})
