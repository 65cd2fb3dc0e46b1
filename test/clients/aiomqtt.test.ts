/** aiomqtt: Python's asyncio around Eclipse Paho. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { tryProgram } from './scenarios.ts'

/** The first python3 that has pip; Debian's has it as a package of its own. */
function pythonWithPip(): string {
  for (const program of ['python3', '/usr/bin/python3'])
    try {
      execFileSync(program, ['-m', 'pip', '--version'], { stdio: 'ignore' })
      return program
    } catch {
      // The next one may.
    }
  return 'python3'
}

const python = pythonWithPip()

await tryProgram({
  name: 'aiomqtt',
  folder: 'aiomqtt',
  versions: ['3.1.1', '5.0'],
  ways: ['TCP', 'TLS', 'WebSocket'],
  tools: [{ run: [python, '-m', 'pip', '--version'], missing: 'no python3 with pip found (Debian: python3-pip)' }],
  fetch: ({ source, out }) => [
    { run: [python, '-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--target', out, '-r', join(source, 'requirements.txt')] },
  ],
  build: ({ out }) => [{ run: [python, '-c', 'import aiomqtt'], env: { PYTHONPATH: out } }],
  command: ({ source }) => [python, '-B', join(source, 'app.py')],
  env: ({ out }) => ({ PYTHONPATH: out }),
  habits: {
    // Seen with aiomqtt 2.5.1 on paho-mqtt 2.1.0: code 5 of a CONNACK in 3.1.1 is told as 0x87, its like in 5.0.
    refusal: () => 0x87,
    // The same: when the connection is reset, a callback that adds a writer comes after the socket was closed, and asyncio
    // logs its "Bad file descriptor". And a client that is entered again after that does not wait for CONNACK: what tells
    // that it is connected is not put back when the connection was lost.
    complains: (scenario) => scenario === 'reconnect',
  },
})
