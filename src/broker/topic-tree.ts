/** A tree of topic levels: finds the filters that match a topic, and the topics that match a filter, by walking levels. */

type Children<V> = Map<string, Node<V>> | undefined

interface Node<V> {
  value: V | undefined
  children: Children<V>
}

function makeNode<V>(): Node<V> {
  return { value: undefined, children: undefined }
}

/** Values by topic or topic filter. */
export class TopicTree<V> {
  readonly #root: Node<V> = makeNode()
  #size = 0

  /** How many values it holds. */
  get size(): number {
    return this.#size
  }

  get(path: string): V | undefined {
    let node: Node<V> | undefined = this.#root
    for (const level of path.split('/')) {
      node = node.children?.get(level)
      if (node === undefined) return undefined
    }
    return node.value
  }

  set(path: string, value: V): void {
    let node = this.#root
    for (const level of path.split('/')) {
      node.children ??= new Map()
      let child = node.children.get(level)
      if (child === undefined) {
        child = makeNode()
        node.children.set(level, child)
      }
      node = child
    }
    if (node.value === undefined) this.#size++
    node.value = value
  }

  delete(path: string): boolean {
    const levels = path.split('/')
    const trail: Node<V>[] = [this.#root]
    for (const level of levels) {
      const child = trail[trail.length - 1]?.children?.get(level)
      if (child === undefined) return false
      trail.push(child)
    }
    const last = trail[trail.length - 1]
    if (last === undefined || last.value === undefined) return false
    last.value = undefined
    this.#size--
    // Branches that lead nowhere any more are cut, so that coming and going topics leave nothing behind.
    for (let depth = levels.length; depth > 0; depth--) {
      const node = trail[depth]
      if (node === undefined || node.value !== undefined || (node.children?.size ?? 0) > 0) break
      trail[depth - 1]?.children?.delete(levels[depth - 1] ?? '')
    }
    return true
  }

  clear(): void {
    this.#root.children = undefined
    this.#root.value = undefined
    this.#size = 0
  }

  values(): V[] {
    const values: V[] = []
    valuesBelow(this.#root, (value) => values.push(value))
    return values
  }

  /** Calls `found` with the value of each stored filter that matches a topic. Takes time by matches, not by filters. */
  matchTopic(topic: string, found: (value: V) => void): void {
    if (this.#size === 0) return
    // Wildcards in the first level do not match topics that begin with $ [MQTT-4.7.2-1].
    matchLevels(this.#root, topic.split('/'), topic.charCodeAt(0) !== 36, found)
  }

  /** Calls `found` with the value of each stored topic that matches a filter. */
  matchFilter(filter: string, found: (value: V) => void): void {
    if (this.#size > 0) matchWildcards(this.#root, filter.split('/'), found)
  }
}

// A topic may have 65536 levels, which is more than calls can be nested: what branches off is kept in a list instead.

function matchLevels<V>(root: Node<V>, levels: readonly string[], wildcards: boolean, found: (value: V) => void): void {
  let later: { node: Node<V>; depth: number }[] | undefined
  let node: Node<V> | undefined = root
  let depth = 0
  for (;;) {
    const children: Children<V> = node.children
    const takesWildcards = depth > 0 || wildcards
    const all: Node<V> | undefined = takesWildcards ? children?.get('#') : undefined
    if (depth < levels.length) {
      // In this order: what is equal, what + takes, what # takes.
      const exact: Node<V> | undefined = children?.get(levels[depth] ?? '')
      const plus: Node<V> | undefined = takesWildcards ? children?.get('+') : undefined
      depth++
      if (all !== undefined) (later ??= []).push({ node: all, depth: Number.POSITIVE_INFINITY })
      if (plus !== undefined && exact !== undefined) (later ??= []).push({ node: plus, depth })
      node = exact ?? plus
    } else {
      if (node.value !== undefined) found(node.value)
      // 'a/#' matches 'a' as well.
      if (depth === levels.length && all?.value !== undefined) found(all.value)
      node = undefined
    }
    if (node !== undefined) continue
    const next = later?.pop()
    if (next === undefined) return
    node = next.node
    depth = next.depth
  }
}

function matchWildcards<V>(root: Node<V>, levels: readonly string[], found: (value: V) => void): void {
  const open: { rest: Iterator<[string, Node<V>]>; depth: number }[] = []
  let node: Node<V> | undefined = root
  let depth = 0
  for (;;) {
    while (node !== undefined) {
      const children: Children<V> = node.children
      const value: V | undefined = node.value
      const level = levels[depth]
      node = undefined
      if (level === undefined) {
        if (value !== undefined) found(value)
      } else if (level === '#') {
        if (depth > 0 && value !== undefined) found(value)
        for (const [name, child] of children ?? []) if (depth > 0 || !name.startsWith('$')) valuesBelow(child, found)
      } else if (level === '+') {
        if (children !== undefined) open.push({ rest: children.entries(), depth })
      } else {
        node = children?.get(level)
        depth++
      }
    }
    const last = open.at(-1)
    if (last === undefined) return
    const step = last.rest.next()
    if (step.done === true) open.pop()
    else if (last.depth > 0 || !step.value[0].startsWith('$')) {
      node = step.value[1]
      depth = last.depth + 1
    }
  }
}

function valuesBelow<V>(root: Node<V>, found: (value: V) => void): void {
  const open: Iterator<Node<V>>[] = []
  let node: Node<V> | undefined = root
  for (;;) {
    if (node?.value !== undefined) found(node.value)
    if (node?.children !== undefined) open.push(node.children.values())
    const step = open.at(-1)?.next()
    if (step === undefined) return
    if (step.done === true) open.pop()
    node = step.done === true ? undefined : step.value
  }
}
