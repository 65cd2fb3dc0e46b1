import { definePlugin, start } from 'mqttest'
import { expect, test } from 'vitest'

test('a plugin whose serverStop never ends does not keep the server from stopping, and is named', async () => {
  const hangs = definePlugin({
    meta: { name: 'hangs' },
    setup({ hooks }) {
      hooks.serverStop.tap('hangs', () => new Promise(() => undefined))
    },
  })
  const server = await start({ listen: false, plugins: [hangs()] })
  await expect(server.stop()).rejects.toThrow('the hook serverStop, tapped by hangs, did not end within 3 s')
})
