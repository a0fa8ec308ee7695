// Opens a page with a strict policy that has the script of surveys on it, and tells what became of
// it. Standard input: {script, attributes}; standard output: what was seen, as JSON.
import http from 'node:http'
import { LOOPBACK, withBrowser } from '../sdks/browser/chromium.mjs'

const SURVEY = '/s/token_1-A'

const read = async () => {
  let told = ''
  for await (const part of process.stdin) told += part
  return JSON.parse(told)
}

const serve = ({ script, attributes }) =>
  new Promise((resolve) => {
    const server = http.createServer((request, response) => {
      if (request.url === '/w/survey.js') {
        response.setHeader('content-type', 'text/javascript')
        response.end(script)
        return
      }
      response.setHeader('content-type', 'text/html; charset=utf-8')
      // No inline script or style, no frames, nothing from elsewhere.
      response.setHeader('content-security-policy', "default-src 'none'; script-src 'self'")
      const { link, ...others } = attributes
      const given = Object.entries({ link: link ?? `http://${request.headers.host}${SURVEY}`, ...others })
      const told = given.map(([name, value]) => `data-${name}="${value}"`).join(' ')
      const body = request.url === '/' ? `<script src="/w/survey.js" ${told} defer></script>` : 'the survey'
      response.end(`<!doctype html><html lang="en"><title>A shop</title><body><h1>A shop</h1>${body}</body></html>`)
    })
    server.listen(0, LOOPBACK, () => resolve(server))
  })

const main = async () => {
  const server = await serve(await read())
  const seen = { errors: [], requests: [] }
  try {
    await withBrowser({}, async (context) => {
      const address = `http://${LOOPBACK}:${server.address().port}`
      const tab = await context.newPage()
      tab.on('pageerror', (error) => seen.errors.push(String(error)))
      tab.on('console', (message) => seen.errors.push(message.text()))
      tab.on('request', (request) => seen.requests.push(new URL(request.url()).pathname))
      await tab.goto(`${address}/`, { waitUntil: 'load' })
      await tab.evaluate(() => new Promise((done) => setTimeout(done, 0)))
      const box = tab.locator('#rapport-survey')
      seen.shown = await box.count()
      if (seen.shown) {
        seen.text = await box.locator('p').textContent()
        seen.label = await box.getAttribute('aria-label')
        const [opened] = await Promise.all([context.waitForEvent('page'), box.locator('a').click()])
        await opened.waitForLoadState()
        seen.opened = new URL(opened.url()).pathname
        seen.opener = await opened.evaluate(() => window.opener === null)
        await opened.close()
        await box.waitFor({ state: 'detached' })
        await tab.goto(`${address}/`, { waitUntil: 'load' })
        await tab.evaluate(() => new Promise((done) => setTimeout(done, 0)))
        seen.again = await box.count()
        seen.cookies = (await context.cookies()).length
        const other = await context.newPage()
        await other.goto(`${address}/`, { waitUntil: 'load' })
        const there = other.locator('#rapport-survey')
        await there.waitFor()
        await there.locator('button').focus()
        await other.keyboard.press('Escape')
        seen.escaped = (await there.count()) === 0
      }
    })
  } finally {
    server.close()
  }
  console.log(JSON.stringify(seen))
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
