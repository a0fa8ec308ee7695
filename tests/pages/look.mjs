// Opens the pages of a folder at the width of a phone and of a desk, and prints what it sees.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { require, withBrowser } from '../sdks/browser/chromium.mjs'

const SMALL = 320
const PHONE = 375
const DESK = 1280
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const look = () => {
  const rows = new Set([...document.querySelectorAll('.scale button')].map((one) => one.offsetTop))
  return {
    width: document.documentElement.scrollWidth,
    rows: rows.size,
    fetched: performance.getEntriesByType('resource').length,
    scripts: document.scripts.length,
    fields: [...document.querySelectorAll('input, textarea, button')]
      .filter((one) => one.checkVisibility())
      .map((one) => one.name || one.className),
    unnamed: [...document.querySelectorAll('input, textarea')]
      .filter((one) => one.checkVisibility() && !one.labels[0]?.innerText.trim())
      .map((one) => one.name),
  }
}

// The fields that the tabulator comes to, in its order, once around.
const walk = async (tab) => {
  const reached = []
  for (let left = 20; left > 0; left--) {
    await tab.keyboard.press('Tab')
    const name = await tab.evaluate(() => {
      const { name, className, tagName } = document.activeElement
      return tagName === 'BODY' ? null : name || className
    })
    if (name === null || reached.includes(name)) break
    reached.push(name)
  }
  return reached
}
const isForm = (name) => name.startsWith('complain-')

// What the checker finds does not depend on the width; colours do depend on the scheme, but not
// on the language.
const views = (name) => [
  { asked: PHONE, scheme: 'light', check: true },
  ...(name.endsWith('-en.html') ? [{ asked: PHONE, scheme: 'dark', check: true }] : []),
  ...(isForm(name) ? [{ asked: SMALL, scheme: 'light', check: true }] : []),
  { asked: DESK, scheme: 'light', check: false },
]

const violations = async (tab) => {
  await tab.addScriptTag({ content: AXE })
  const found = await tab.evaluate(() => window.axe.run())
  return found.violations.map((one) => `${one.id}: ${one.nodes[0].html}`)
}

const main = async (folder, pictures) => {
  const found = []
  // The page's own policy forbids scripts, so the checker's too: it is let by here alone.
  await withBrowser({ bypassCSP: true }, async (context) => {
    const tab = await context.newPage()
    for (const name of fs.readdirSync(folder).filter((one) => one.endsWith('.html'))) {
      for (const { asked, scheme, check } of views(name)) {
        await tab.setViewportSize({ width: asked, height: 812 })
        await tab.emulateMedia({ colorScheme: scheme })
        await tab.goto(pathToFileURL(path.join(folder, name)).href)
        const seen = await tab.evaluate(look)
        const reached = isForm(name) ? await walk(tab) : []
        const bytes = fs.statSync(path.join(folder, name)).size
        const picture = `${name}-${asked}-${scheme}.png`
        if (pictures) await tab.screenshot({ path: path.join(pictures, picture), fullPage: true })
        found.push({
          page: name,
          asked,
          scheme,
          ...seen,
          reached,
          bytes,
          violations: check ? await violations(tab) : [],
        })
      }
    }
  })
  console.log(JSON.stringify(found))
}

main(process.argv[2], process.argv[3]).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
