/**
 * Which elements of HTML are open at a place, and how text looks there: a small part of the tree
 * construction (WHATWG HTML §13.2.6), enough that what hides text ends where it ends in a browser. Bounded
 * in depth: elements further in look like the innermost one that is known.
 */
import { type HtmlElement, type Kind, Scope } from "./html_element.ts";
import { type Declared, type Look, lookInside, PAGE_LOOK } from "./html_style.ts";

const MAX_OPEN = 128;

export class OpenElements {
  readonly #elements: HtmlElement[] = [];
  readonly #looks: Look[] = [];
  /** How text looks now. */
  look: Look = PAGE_LOOK;
  /** How it looks where nothing is declared. */
  #page: Look = PAGE_LOOK;
  /** Elements that were never closed, or for others only. */
  unclosed = 0;
  /** Open elements beyond the bound. */
  #beyond = 0;

  /** @param declared `null` when it says nothing of its looks. */
  open(element: HtmlElement, declared: Declared | null) {
    if (this.#beyond === 0) {
      if (element.isBlock) this.#endImplied("paragraph", Scope.block);
      if (element.ends !== null) this.#endImplied(element.ends.kind, element.ends.scope);
    }
    if (this.#elements.length >= MAX_OPEN) {
      this.#beyond++;
      return;
    }
    if (declared !== null) this.look = lookInside(this.look, declared);
    this.#elements.push(element);
    this.#looks.push(this.look);
  }

  close(element: HtmlElement) {
    if (this.#beyond > 0) {
      this.#beyond--;
      return;
    }
    const isInline = !element.isFormatting && !element.isBlock && !element.isTablePart;
    for (let index = this.#elements.length - 1; index >= 0; index--) {
      const open = this.#elements[index];
      if (open === element || (!open.isKnown && open.name === element.name)) {
        if (element.isFormatting) this.#take(index);
        else this.#popTo(index);
        return;
      }
      if (open.scope >= Scope.block && !element.isTablePart) return;
      if (open.name === "table" || (isInline && open.isBlock)) return;
    }
  }

  /** At the end of the text. */
  closeAll() {
    this.unclosed += this.#beyond;
    this.#beyond = 0;
    for (const element of this.#elements) this.#count(element);
    this.#elements.length = this.#looks.length = 0;
    this.look = this.#page;
  }

  /** A style sheet has a say in backgrounds, so the page's colour is no longer known. */
  forgetBackground() {
    this.#page = { ...PAGE_LOOK, background: null };
    this.#looks.forEach((look, index) => {
      if (look === PAGE_LOOK) this.#looks[index] = this.#page;
    });
    if (this.look === PAGE_LOOK) this.look = this.#page;
  }

  #endImplied(kind: Kind, scope: Scope) {
    for (let index = this.#elements.length - 1; index >= 0; index--) {
      const open = this.#elements[index];
      if (open.kind === kind) return this.#popTo(index);
      if (open.scope >= scope) return;
    }
  }

  /** Closes the element at `index` and those inside it. */
  #popTo(index: number) {
    while (this.#elements.length > index + 1) {
      this.#count(this.#elements.pop()!);
      this.#looks.pop();
    }
    this.#elements.pop();
    this.#looks.pop();
    this.look = index === 0 ? this.#page : this.#looks[index - 1];
  }

  /** Takes one out from under those inside it, whose own looks are given up: they count as shown. */
  #take(index: number) {
    if (index === this.#elements.length - 1) return this.#popTo(index);
    this.#elements.splice(index, 1);
    this.#looks.splice(index, 1);
    this.look = index === 0 ? this.#page : this.#looks[index - 1];
    this.#looks.fill(this.look, index);
    this.unclosed++;
  }

  #count(element: HtmlElement) {
    if (!element.isOptional) this.unclosed++;
  }
}
