import { type Connection, decide, definePlugin, fillTemplate, filterCovers, option, topicMatches } from '../src/index.ts'

const filters = (about: string) => option.list(option.text('a topic filter; {clientId} and {username} are filled in', '#'), about, [])

/** Who a template is filled in for. */
type Owner = Pick<Connection, 'clientId' | 'connect'>

/**
 * Clients may use some topics only, each its own where a filter holds {clientId} or {username}.
 *
 *     topicAcl({ publish: ['devices/{clientId}/#'], publishAnswer: { v3: 'close', v5: 'not-authorized' } })
 *     topicAcl({ denySubscribe: ['secret/#'], subscribeAnswer: 'accept' })        granted, but nothing ever comes
 *     topicAcl({ receive: ['public/#'] })                                         any filter is granted; what comes is less
 *
 * A filter of a client is allowed where one of the plugin's covers all of it: 'a/#' covers 'a/+'. MQTT 3 cannot say that a
 * PUBLISH was refused: a code acknowledges it like any other, and the message is gone.
 */
export const topicAcl = definePlugin({
  meta: {
    name: 'topic-acl',
    api: 1,
    group: 'limits',
    summary: 'Only some topics may be published and subscribed to; the rest is refused, closed on or silently dropped.',
    spec: ['MQTT-3.3.5-2', 'MQTT-3.8.4-5', 'MQTT-3.8.4-6', 'MQTT-3.8.4-7', 'MQTT-3.1.4-2'],
    finds: 'clients that take a refusal for success, repeat a refused message for ever, or trust SUBACK to mean that messages will come',
    seenIn: [
      'https://github.com/aws/aws-iot-device-sdk-js/issues/125',
      'https://github.com/faststream-community/zMQTT/issues/65',
      'https://github.com/shamblett/mqtt5_client/issues/144',
      'https://github.com/knolleary/pubsubclient/issues/341',
    ],
  },
  options: {
    publish: option.optional(filters('topics that a client may publish to; all unless given')),
    subscribe: option.optional(filters('filters that a client may subscribe to, and all that they cover; all unless given')),
    receive: option.optional(filters('topics of which messages reach a client, whatever it was granted; all unless given')),
    denyPublish: filters('topics that a client may not publish to, although `publish` has them'),
    denySubscribe: filters('filters that a client may not subscribe to, nor to what they cover, although `subscribe` has them'),
    reserved: option.list(option.text('a prefix', '$aws/'), 'topics and filters with these prefixes only pass where a filter above has the prefix as well', []),
    publishAnswer: option.answer('what a PUBLISH gets that is not allowed', 'not-authorized'),
    subscribeAnswer: option.answer('what a filter gets that is not allowed; accept grants it, and no message ever comes', 'not-authorized'),
    willAnswer: option.answer('what a CONNECT gets whose will may not be published; accept drops the will', 'not-authorized'),
  },
  check: ({ publish, subscribe, receive, denyPublish, denySubscribe, reserved }) =>
    publish === undefined && subscribe === undefined && receive === undefined && denyPublish.length + denySubscribe.length + reserved.length === 0
      ? "everything is allowed: give one of the options 'publish', 'subscribe', 'receive', 'denyPublish', 'denySubscribe' and 'reserved'"
      : undefined,
  setup({ hooks, on, name }, { publish, subscribe, receive, denyPublish, denySubscribe, reserved, publishAnswer, subscribeAnswer, willAnswer }) {
    /** Whether one of some filters has a topic, by `has`; under a reserved prefix only a filter of that prefix counts. */
    function includes(templates: readonly string[], topic: string, owner: Owner, has: typeof topicMatches, prefix = '') {
      return templates.some((template) => {
        const filter = fillTemplate(template, owner)
        return filter.startsWith(prefix) && has(filter, topic)
      })
    }

    function isAllowed(topic: string, owner: Owner, allowed: readonly string[] | undefined, denied: readonly string[], has: typeof topicMatches): boolean {
      if (includes(denied, topic, owner, has)) return false
      const prefix = reserved.find((one) => topic.startsWith(one))
      return prefix === undefined ? allowed === undefined || includes(allowed, topic, owner, has) : includes(allowed ?? [], topic, owner, has, prefix)
    }

    if (publish !== undefined || denyPublish.length + reserved.length > 0) {
      // Where only some topics are denied, nobody is asked about the others.
      const isFixed = publish === undefined && reserved.length === 0 && !denyPublish.some((template) => template.includes('{'))
      on(hooks.authorize, { kind: 'publish', ...(isFixed && { topic: denyPublish }) }, (decision, request, connection) =>
        isAllowed(request.topic, connection, publish, denyPublish, topicMatches)
          ? undefined
          : decide(decision, publishAnswer, request, connection, 'not allowed to publish to this topic'),
      )
      on(hooks.authorize, { kind: 'connect' }, (decision, request, connection) => {
        const { will } = request.packet
        if (will === undefined || isAllowed(will.topic, connection, publish, denyPublish, topicMatches)) return undefined
        const refused = decide(decision, willAnswer, request, connection, 'the will may not be published')
        if (refused?.action === 'accept') delete request.packet.will
        return refused
      })
    }

    if (subscribe !== undefined || denySubscribe.length + reserved.length > 0)
      on(hooks.authorize, { kind: 'subscribe' }, (decision, request, connection) =>
        isAllowed(withoutShare(request.topic), connection, subscribe, denySubscribe, filterCovers)
          ? undefined
          : decide(decision, subscribeAnswer, request, connection, 'not allowed to subscribe to this filter'),
      )

    if (receive !== undefined)
      hooks.route.tap(name, (deliveries, { topic }) => {
        const fits = deliveries.filter(({ session }) =>
          includes(receive, topic, { clientId: session.clientId, connect: session.connection?.connect }, topicMatches),
        )
        return fits.length === deliveries.length ? undefined : fits
      })
  },
})

/** The filter behind $share/{name}/. */
function withoutShare(filter: string): string {
  return filter.replace(/^\$share\/[^/]+\//, '')
}
