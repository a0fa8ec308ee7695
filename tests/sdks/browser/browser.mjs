// A real Chromium that opens a page, hands it the plan from standard input, and stays open until
// standard input ends: a page can't know when all of its events have been taken.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import readline from 'node:readline'
import { LOOPBACK, PACKAGES, withBrowser } from './chromium.mjs'

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.txt': 'text/javascript' }

// `/packages/...` are files of the installed packages, all else is the page.
const serve = (page) =>
  new Promise((resolve) => {
    const server = http.createServer((request, response) => {
      const wanted = new URL(request.url, `http://${LOOPBACK}`).pathname
      const file = wanted.startsWith('/packages/') ? path.join(PACKAGES, wanted.slice(10)) : page
      response.setHeader('content-type', TYPES[path.extname(file)] ?? 'text/plain')
      fs.createReadStream(file).on('error', () => response.writeHead(404).end()).pipe(response)
    })
    server.listen(0, LOOPBACK, () => resolve(server))
  })

const unfinished = (open) => {
  const waits = [...open].map((request) => `${request.method()} ${request.url()}`).join(', ')
  return new Error(`the page has not made all of its calls; not answered yet: ${waits || 'nothing'}`)
}

const main = async (page) => {
  const lines = readline.createInterface({ input: process.stdin })
  const iterator = lines[Symbol.asyncIterator]()
  const job = JSON.parse((await iterator.next()).value)
  const server = await serve(page)
  try {
    await withBrowser({}, async (context) => {
      const tab = await context.newPage()
      tab.on('pageerror', (error) => console.error(`page: ${error}`))
      const open = new Set()
      tab.on('request', (request) => open.add(request))
      tab.on('requestfinished', (request) => open.delete(request))
      tab.on('requestfailed', (request) => open.delete(request))
      tab.on('console', (message) => console.error(`${message.type()}: ${message.text()}`))
      const mark = encodeURIComponent(job.key ?? '')
      await tab.goto(`http://${LOOPBACK}:${server.address().port}/?key=${mark}`)
      const end = iterator.next()
      if (job.calls) {
        const played = tab.evaluate((all) => window.play(all), job).then(() => true)
        if (!(await Promise.race([played, end.then(() => false)]))) throw unfinished(open)
      }
      await end
    })
  } finally {
    server.close()
  }
}

main(process.argv[2]).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
