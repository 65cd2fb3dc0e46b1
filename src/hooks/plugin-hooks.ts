/** The hooks as a plugin sees them: what it taps them with, and what its taps are given and may return. */
import type { Decision } from '../broker/authorize.ts'
import type { StepInput } from '../steps.ts'
import type { Filter } from './filter.ts'
import type { HookName, Hooks } from './hooks.ts'

/** How a plugin taps one hook: `hooks.send.tap('why', (steps, cause, connection) => ...)`. */
export interface HookTap<Args extends readonly unknown[], Result> {
  /** The hook's name. */
  readonly hook: HookName
  /**
   * Taps the hook. `options` is a name for messages, or { name, stage }: −100 for observers that must see the original,
   * 0 for plugins, 100 for what a test adds, 1000 for recorders.
   */
  tap(options: string | TapOptions, tap: (...args: Args) => Result | undefined | void | Promise<Result | undefined | void>): void
}

/** Where a tap stands among the others of its hook. */
export interface TapOptions {
  readonly name?: string
  readonly stage?: number
}

/** The events that a tap is for, and where it stands among the others of its hook: { cmd: 'connect', stage: -1 }. */
export interface TapFilter extends Filter {
  /** As in {@link TapOptions}; 0 where it is left out. */
  readonly stage?: number
}

type ArgsOf<H> = H extends { tap(options: never, fn: (...args: infer Args) => unknown): void } ? Args : never
type ResultOf<K extends HookName> = Hooks[K] extends { call(...args: never): infer R }
  ? Exclude<R, void>
  : K extends 'authorize'
    ? Decision
    : K extends 'connection' | 'packetIn'
      ? readonly StepInput[]
      : undefined

/** The hooks as one plugin sees them. */
export type PluginHooks = { readonly [K in HookName]: HookTap<ArgsOf<Hooks[K]>, ResultOf<K>> }
