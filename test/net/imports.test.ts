/** What `import 'mqttest'` loads: nothing that only TLS and WebSocket need. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What a file imports when it is loaded: values, by a statement. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const statements = text.matchAll(/^(?:import|export)\s(?!type\s)(?:([^'";]*?)\sfrom\s+)?'([^']+)'/gm)
  return [...statements].flatMap(([, names, from = '']) => {
    // { type A, type B } loads nothing that is used; with verbatimModuleSyntax the file is loaded all the same.
    const typesOnly =
      names?.startsWith('{') === true &&
      names
        .replace(/[{}]/g, '')
        .split(',')
        .every((name) => /^\s*(type\s|$)/.test(name))
    return typesOnly && !from.startsWith('.') ? [] : [from.startsWith('.') ? join(dirname(path), from) : from]
  })
}

/** Everything that is loaded with a file. */
function loadedWith(entry: string): Set<string> {
  const seen = new Set<string>([entry])
  for (const path of seen) if (path.endsWith('.ts')) for (const target of importsOf(path)) seen.add(target)
  return seen
}

test('this test sees what is loaded', () => {
  const loaded = loadedWith('src/index.ts')
  expect(loaded).toContain('src/net/listener.ts')
  expect(loaded).toContain('node:net')
  expect(loadedWith('src/net/websocket.ts')).toContain('ws')
  expect(loadedWith('src/net/secure.ts')).toContain('node:tls')
})

test.each(['src/index.ts', 'src/testing.ts', 'plugins/index.ts', 'src/cli/main.ts', 'src/cli/serve.ts', 'src/cli/exec.ts'])(
  '%s loads nothing of TLS and WebSocket',
  (entry) => {
    const heavy = ['node:tls', 'node:http', 'node:https', 'node:crypto', 'ws', '@peculiar/x509', 'reflect-metadata']
    const own = ['src/net/secure.ts', 'src/net/websocket.ts', 'src/net/websocket-transport.ts', 'src/net/certificates.ts']
    const loaded = loadedWith(entry)
    expect([...heavy, ...own].filter((name) => loaded.has(name))).toEqual([])
  },
)
