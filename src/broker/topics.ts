/** Which topics a topic filter matches (section 4.7). */

/** Whether a topic filter matches every topic that another one matches: 'a/#' covers 'a/+/b'. */
export function filterCovers(filter: string, other: string): boolean {
  if (filter === other) return true
  const [wanted, asked] = [filter.split('/'), other.split('/')]
  if (asked[0]?.startsWith('$') === true && (wanted[0] === '+' || wanted[0] === '#')) return false // [MQTT-4.7.2-1]
  for (const [depth, level] of wanted.entries()) {
    if (level === '#') return true
    const one = asked[depth]
    if (one === undefined || one === '#' || (level !== '+' && level !== one)) return false
  }
  return asked.length === wanted.length
}

/**
 * Whether a topic filter matches a topic. Wildcards in the first level do not match topics that begin with $
 * [MQTT-4.7.2-1]; `a/#` matches `a` as well.
 */
export function topicMatches(filter: string, topic: string): boolean {
  if (filter === topic) return true
  if (topic.charCodeAt(0) === 36 && (filter.charCodeAt(0) === 43 || filter.charCodeAt(0) === 35)) return false
  let f = 0
  let t = 0
  for (;;) {
    const character = filter[f]
    if (character === '#') return true
    if (character === '+') {
      while (t < topic.length && topic[t] !== '/') t++
      f++
    } else {
      while (f < filter.length && filter[f] !== '/' && filter[f] === topic[t]) {
        f++
        t++
      }
    }
    const filterEnds = f === filter.length
    const topicEnds = t === topic.length
    if (filterEnds && topicEnds) return true
    if (topicEnds) return filter.slice(f) === '/#'
    if (filterEnds || filter[f] !== '/' || topic[t] !== '/') return false
    f++
    t++
  }
}
