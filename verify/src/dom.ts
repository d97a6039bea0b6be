/** Creates elements from their parts. Text never becomes markup. */
type Part = Node | string | false | undefined;

interface Attributes {
  readonly [name: string]: string | boolean | ((e: Event) => void) | undefined;
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...parts: Part[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') e.addEventListener(name, value);
    else if (typeof value === 'string') e.setAttribute(name, value);
    else e.toggleAttribute(name, value ?? false);
  }
  e.append(...parts.filter((p) => p !== false && p !== undefined));
  return e;
}
