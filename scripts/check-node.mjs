/**
 * Runs in front of the scripts, on whatever `node` they would get. Plain JavaScript: it must run on old versions, to be able
 * to say that they are too old.
 */
import { existsSync, readFileSync } from 'node:fs'

const root = new URL('..', import.meta.url)
const { engines } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
const [major, minor] = engines.node.match(/\d+/g).map(Number)
const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)

if (ownMajor < major || (ownMajor === major && ownMinor < minor)) {
  console.error(problem())
  process.exit(1)
}

function problem() {
  const need = `Holdfast needs Node.js ${major}.${minor} or later; this is ${process.versions.node}.`
  if (!existsSync(new URL('node_modules/node/package.json', root))) {
    return `${need}\nThe right one comes with the development dependencies:\n\n  npm ci\n`
  }
  if (!existsSync(new URL('node_modules/node/bin/node', root))) {
    return `${need}
The package 'node' brings the right one, but its install script has not run: install scripts are switched off
(--ignore-scripts, or ignore-scripts in an .npmrc). Let this one run, then build:

  npm rebuild node --ignore-scripts=false
  npm run build

Or put a Node.js ${major}.${minor} or later in front of your PATH.
`
  }
  return `${need}\nIt is installed in node_modules; run the command through npm: npm test, npm start, npx holdfast.\n`
}
