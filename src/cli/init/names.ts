/** What something is called that `mqttest init` writes: its package, its folder, its name in a config and in code. */
import { MqttestError } from '../../errors.ts'

/** The names of one package. */
export interface Names {
  /** '@acme/mqttest-plugin-flaky-gateway' */
  readonly package: string
  /** 'mqttest-plugin-flaky-gateway' */
  readonly folder: string
  /** 'flaky-gateway', or '@acme/flaky-gateway': what stands in a config. */
  readonly short: string
  /** 'flakyGateway' */
  readonly variable: string
}

/** Reads 'flaky-gateway' or '@acme/flaky-gateway', with or without its prefix. Throws MQTTEST_OPTION for what npm would not take. */
export function namesOf(kind: 'plugin' | 'pack', given: string): Names {
  const [, scope = '', name = ''] = /^(?:(@[a-z0-9][a-z0-9._-]*)\/)?(?:mqttest-(?:plugin|pack)-)?([a-z][a-z0-9]*(?:-[a-z0-9]+)*)$/.exec(given) ?? []
  if (name === '')
    throw new MqttestError('MQTTEST_OPTION', `a ${kind} is named in kebab-case, such as 'flaky-gateway' or '@acme/flaky-gateway', got '${given}'`)
  const folder = `mqttest-${kind}-${name}`
  return {
    package: scope === '' ? folder : `${scope}/${folder}`,
    folder,
    short: scope === '' ? name : `${scope}/${name}`,
    variable: name.replace(/-([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase()),
  }
}
