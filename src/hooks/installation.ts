/** A plugin at work: whether it is switched on, where, and how often it has changed something. */
import type { Connection } from '../connection/connection.ts'
import type { Plugin } from '../plugin/plugin.ts'
import { checkScope, type Scope, scopeCondition, standingCondition } from './scope.ts'

/** One plugin at work on one server. */
export interface Installation {
  readonly plugin: Plugin
  readonly scope: Scope
  /** Added to the stages from 0 to 999: 0, or 100 for what a test uses on top. */
  readonly stage: number
  enabled: boolean
  /** How often it changed something. */
  fired: number
  timesLeft: number
  /** The packets of clients that it acted on, where its times are limited; see `#gate`. */
  readonly begun: WeakSet<object> | undefined
  readonly inScope: ((connection: Connection) => boolean) | undefined
  /** The part of it that does not change on a connection. */
  readonly mayFit: ((connection: Connection) => boolean) | undefined
}

/** Makes an installation. Throws MQTTEST_OPTION where the scope is wrong. */
export function installation(plugin: Plugin, scope: Scope, stage: number): Installation {
  checkScope(`plugin '${plugin.meta.name}'`, scope)
  return {
    plugin,
    scope,
    stage,
    enabled: true,
    fired: 0,
    timesLeft: scope.times ?? Number.POSITIVE_INFINITY,
    begun: scope.times === undefined ? undefined : new WeakSet(),
    inScope: scopeCondition(scope),
    mayFit: standingCondition(scope),
  }
}
