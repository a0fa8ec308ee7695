// A real Chromium that opens a page, hands it the plan from standard input, and stays open until
// standard input ends: a page can't know when all of its events have been taken.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'

const PACKAGES = process.env.SDK_PACKAGES
const LOOPBACK = '127.0.0.1'
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nothing but the loopback address has a name or a way.
  `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${LOOPBACK}`,
]
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.txt': 'text/javascript' }
const require = createRequire(path.join(PACKAGES, 'none.js'))

// The machine's own browser, else the one from npm, which needs no installation.
const executable = async () => {
  const names = [process.env.CHROMIUM, 'chromium', 'google-chrome', 'google-chrome-stable']
  for (const name of names.filter(Boolean)) {
    if (spawnSync(name, ['--version']).status === 0) {
      const found = name.includes('/') ? name : spawnSync('which', [name]).stdout.toString().trim()
      if (found) return found
    }
  }
  const packed = path.join(PACKAGES, '@sparticuz/chromium/build/index.js')
  const { default: chromium } = await import(packed)
  return chromium.executablePath()
}

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

const main = async (page) => {
  const lines = readline.createInterface({ input: process.stdin })
  const iterator = lines[Symbol.asyncIterator]()
  const job = JSON.parse((await iterator.next()).value)
  const server = await serve(page)
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-'))
  const { chromium } = require('playwright-core')
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: await executable(),
    headless: true,
    args: FLAGS,
  })
  try {
    const tab = await context.newPage()
    tab.on('pageerror', (error) => console.error(`page: ${error}`))
    tab.on('console', (message) => console.error(`${message.type()}: ${message.text()}`))
    const mark = encodeURIComponent(job.key ?? '')
    await tab.goto(`http://${LOOPBACK}:${server.address().port}/?key=${mark}`)
    if (job.calls) await tab.evaluate((all) => window.play(all), job)
    await iterator.next()
  } finally {
    await context.close()
    server.close()
    fs.rmSync(profile, { recursive: true, force: true })
  }
}

main(process.argv[2]).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
