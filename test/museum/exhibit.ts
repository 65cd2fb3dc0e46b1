/** One bug of the museum: the config that provokes it, a client that has it, and one that does not. */
import type { Server, StartOptions, VirtualClock } from 'mqttest'
import { describe, expect, test } from 'vitest'
import { virtualServer } from '../support/server.ts'
import { type Behaviour, type SmallClient, smallClient } from './small-client.ts'

/** What an exhibit is made of. */
export interface Exhibit {
  /** Where the bug was reported. */
  readonly url: string
  /** What provokes it. A function, so that each run has plugins of its own. */
  readonly config: () => StartOptions
  /** How a client behaves that has the bug, and how one does that has it no more; where a class does it, one of those. */
  readonly buggy: Partial<Behaviour> | typeof SmallClient
  readonly fixed: Partial<Behaviour> | typeof SmallClient
  /** What both have in common. */
  readonly both?: Partial<Behaviour>
  /** What happens: time passes, the application and the server do something. */
  readonly play: (stage: { readonly server: Server; readonly client: SmallClient; readonly clock: VirtualClock }) => Promise<void>
  /** What a test asserts of any client. It sees the server only, and rejects for a client with the bug. */
  readonly assertion: (server: Server) => Promise<void>
  /** What it says then. */
  readonly says: RegExp
  /** Plugins to which a client without the bug gives no reason to act. */
  readonly avoided?: readonly string[]
}

/** Shows that a config provokes a bug: `describe('client: what it did wrong')` with a test for each of the two clients. */
export function exhibit(title: string, { url, config, buggy, fixed, both = {}, play, assertion, says, avoided = [] }: Exhibit): void {
  const run = async (behaviour: Exhibit['buggy']) => {
    const { server, clock } = await virtualServer(config())
    const client = typeof behaviour === 'function' ? smallClient(server, both, behaviour) : smallClient(server, { ...both, ...behaviour })
    await play({ server, client, clock })
    return { server, client }
  }
  describe(`${title} (${url})`, () => {
    test('a client with the bug fails', async () => {
      const { server } = await run(buggy)
      await expect(assertion(server)).rejects.toThrow(says)
    })
    test('one without it passes, and every plugin did something', async () => {
      const { server, client } = await run(fixed)
      await assertion(server)
      client.stop()
      expect((await server.stop()).faults.neverFired).toEqual(avoided)
    })
  })
}

/** For waits of assertions: everything has happened already. */
export const now = { within: 0 } as const
