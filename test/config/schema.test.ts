/** The JSON Schema of a config file: what it takes is what a config takes. */
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { configSchema } from '../../src/config/schema.ts'
import { startOptionKeys } from '../../src/start.ts'
import { project } from './project.ts'

const validate = new Ajv({ allowUnionTypes: true, allErrors: true, strict: 'log', logger: false }).compile(await configSchema())

/** Whether both the schema and mqttest itself take a config. */
async function taken(config: object) {
  const folder = project({ 'mqttest.config.json': config, 'own.js': `export default { meta: { name: 'own' }, setup() {} }` })
  const loads = await loadConfig(undefined, folder).then(
    () => true,
    () => false,
  )
  return { editor: validate(config), mqttest: loads }
}

const everything = {
  $schema: './node_modules/mqttest/dist/config.schema.json',
  plugins: [
    'ack-delay',
    ['ack-delay', { delay: '200ms', packets: ['puback'] }],
    ['reject', { reasonCode: 'banned' }, { connection: [0, 2], times: 1 }],
    './own.js',
    [['ack-delay']],
    null,
  ],
  listen: [{ port: 0 }, { port: '1883-1890', host: '::1' }, { tls: { certificate: 'expired' }, ws: '/mqtt' }],
  broker: { maximumQos: 1, connectTimeout: '5s' },
  lint: 'fail',
  seed: 7,
  clock: 'virtual',
  dump: ['a.jsonl', 'b-{c}.jsonl'],
  journal: { records: 10 },
  maxConnections: 3,
  maxRuntime: '1m',
  onPluginError: 'warn',
}

describe('the schema and mqttest agree', () => {
  test.each<[object]>([[{}], [everything], [{ extends: [] }]])('on what is right: %j', async (config) => {
    expect(await taken(config), JSON.stringify(validate.errors)).toEqual({ editor: true, mqttest: true })
  })

  test.each<[object]>([
    [{ prot: 1 }],
    [{ lint: 'no' }],
    [{ maxConnections: 0 }],
    [{ broker: { maximumQos: 3 } }],
    [{ broker: { maxQos: 1 } }],
    [{ plugins: 'ack-delay' }],
    [{ plugins: [['ack-delay', { dealy: 1 }]] }],
    [{ plugins: [['ack-delay', { delay: 'soon' }]] }],
    [{ plugins: [['ack-delay', { packets: ['publish'] }]] }],
    [{ plugins: [['ack-delay', {}, { conection: 0 }]] }],
    [{ plugins: [7] }],
  ])('on what is wrong: %j', async (config) => {
    expect(await taken(config)).toEqual({ editor: false, mqttest: false })
  })
})

test('describes every option of a config', async () => {
  const { properties } = await configSchema()
  expect(Object.keys(properties ?? {}).sort()).toEqual(['$schema', 'extends', ...startOptionKeys.filter((key) => key !== 'config' && key !== 'signal')].sort())
})

test('has the sentence and the default of every option of every plugin', async () => {
  const { definitions } = await configSchema()
  expect(definitions).toMatchObject({
    'ack-delay': {
      description: 'Acknowledgements come late.',
      properties: { delay: { description: 'how long each of them waits; 0 answers at once', default: '200ms' } },
    },
  })
})
