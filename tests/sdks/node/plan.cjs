// What every driver needs: the plan from standard input, and an end that tells of failures.
const fs = require('node:fs')

exports.job = () => JSON.parse(fs.readFileSync(0, 'utf8'))

exports.run = (main) =>
  main().then(
    () => process.exit(0),
    (error) => {
      console.error(error)
      process.exit(1)
    }
  )

// The calls of Segment's servers' SDKs, and of those that copy them: one object each.
exports.segmentCall = (call) => {
  const who = call.anonymous ? { anonymousId: call.anonymous } : { userId: call.user }
  switch (call.kind) {
    case 'identify':
      return { ...who, traits: call.data }
    case 'track':
      return { ...who, event: call.name, properties: call.data }
    case 'group':
      return { ...who, groupId: call.group, traits: call.data }
    case 'alias':
      return { ...who, previousId: call.previous }
    default:
      return { ...who, name: call.name, properties: call.data }
  }
}
