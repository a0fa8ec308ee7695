// A headless Chromium with a profile of its own that reaches nothing but this machine.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

export const PACKAGES = process.env.SDK_PACKAGES
export const LOOPBACK = '127.0.0.1'
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
export const require = createRequire(path.join(PACKAGES, 'none.js'))

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

// Gives `use` a browser context, and leaves nothing of it behind.
export const withBrowser = async (options, use) => {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-'))
  const { chromium } = require('playwright-core')
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: await executable(),
    headless: true,
    args: FLAGS,
    ...options,
  })
  try {
    return await use(context)
  } finally {
    await context.close()
    fs.rmSync(profile, { recursive: true, force: true })
  }
}
