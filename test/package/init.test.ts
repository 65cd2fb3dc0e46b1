/** What `mqttest init` writes passes its own tests, can be packed, and works elsewhere by its name. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { output, Packed, run } from './packed.ts'

const packed = new Packed()
let home = ''
let tarball = ''

beforeAll(async () => {
  await packed.pack()
  home = await packed.project('authors', 'module')
  tarball = join(packed.folder, readdirSync(packed.folder).find((name) => /^mqttest-\d/.test(name)) ?? '')
})

afterAll(() => packed.remove())

/** Writes a package by `mqttest init`, installs what it needs, tests and packs it. Gives its folder. */
async function written(kind: 'plugin' | 'pack', name: string, folder: string): Promise<string> {
  const place = join(home, folder)
  await output(home, 'npx', ['mqttest', 'init', kind, name])
  await output(place, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--save-dev', tarball])
  await output(place, 'npm', ['test'])
  await output(place, 'npm', ['pack', '--silent'])
  return place
}

const tarballIn = (folder: string) => join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')

/** A project of somebody else, with mqttest and one package installed. */
async function user(name: string, others: readonly string[], config: object): Promise<string> {
  const folder = join(packed.folder, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true }))
  writeFileSync(join(folder, 'mqttest.config.json'), JSON.stringify(config))
  await output(folder, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, ...others])
  return folder
}

describe('mqttest init', () => {
  test('plugin: a package whose tests pass, that packs, and that a config finds by name', async () => {
    const place = await written('plugin', '@acme/slow-ping', 'mqttest-plugin-slow-ping')
    const there = await user('pings', [tarballIn(place)], { plugins: [['@acme/slow-ping', { probability: 0.1 }]] })
    const found: readonly { readonly package?: string; readonly summary?: string }[] = JSON.parse(await output(there, 'npx', ['mqttest', 'plugins', '--json']))
    expect(found.find((entry) => entry.package === '@acme/mqttest-plugin-slow-ping')).toMatchObject({ summary: 'PINGRESP is lost now and then.' })
    const { code, stderr } = await run(there, 'npx', ['mqttest', 'exec', '--', 'node', '-e', ''])
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('@acme/slow-ping never fired') })
  })

  test('pack: a package whose tests pass, that packs, and that works by name with its options', async () => {
    const place = await written('pack', 'storm', 'mqttest-pack-storm')
    const there = await user('storms', [tarballIn(place)], { plugins: [['storm', { refusals: 2, without: 'extended-ids' }]] })
    const script = `
      const { createConnection } = require('node:net')
      const attempt = (left) => {
        const socket = createConnection(Number(process.env.MQTT_PORT), process.env.MQTT_HOST, () => socket.write(Buffer.from('101000044d5154540402000000046e2f6f6e', 'hex')))
        socket.once('data', (data) => { console.log(data.toString('hex')); socket.destroy(); if (left > 1) attempt(left - 1) })
      }
      attempt(3)`
    expect(await output(there, 'npx', ['mqttest', 'exec', '--', 'node', '-e', script])).toBe('20020003\n20020003\n20020000')
  })

  test('config: one that a server starts with', async () => {
    const there = await user('config', [], {})
    execFileSync('rm', ['mqttest.config.json'], { cwd: there })
    await output(there, 'npx', ['mqttest', 'init'])
    const { code, stderr } = await run(there, 'npx', ['mqttest', 'exec', '--', 'node', '-e', ''])
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('ack-delay never fired') })
    expect((await run(there, 'npx', ['mqttest', 'init'])).stderr).toContain('there is a config here already: mqttest.config.ts')
  })
})
