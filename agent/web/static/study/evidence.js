// Sentences, findings and boxes light one another: by pointing, by focus, and, when chosen, until something else is.

export class Evidence {
  /**
   * @param {HTMLElement} root  what holds everything with data-findings
   * @param {(words: string) => void} say  for who does not see what has been chosen
   */
  constructor(root, t, say) {
    this.t = t;
    this.root = root;
    this.say = say;
    this.kept = new Set();
    this.room = null;
    const of = (event) => event.target.closest?.("[data-findings]");
    root.addEventListener("pointerover", (event) => this.#glance(of(event)));
    root.addEventListener("pointerleave", () => this.#glance(null));
    root.addEventListener("focusin", (event) => this.#glance(of(event)));
    root.addEventListener("focusout", () => this.#glance(null));
    root.addEventListener("click", (event) => this.#choose(event, of(event)));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.keep(new Set()));
  }

  /** A box has been pointed at, or chosen. */
  pointed(concept, kept) {
    if (kept) {
      this.keep(new Set(concept ? [concept] : []));
      if (concept) document.getElementById(`finding-${concept}`)?.scrollIntoView({ block: "nearest" });
    } else {
      this.#light(new Set([...this.kept, ...(concept ? [concept] : [])]));
    }
  }

  /** These findings stay lit. */
  keep(concepts) {
    this.kept = concepts;
    this.#light(concepts);
    const names = [...concepts].map((c) => document.querySelector(`#finding-${CSS.escape(c)} b`)?.textContent ?? "");
    const sentences = concepts.size ? this.root.querySelectorAll(".sentence.lit").length : 0;
    const known = names.filter(Boolean);
    if (known.length) this.say(this.t("study.text.lit", { names: known.join(", "), count: sentences }));
  }

  #glance(element) {
    this.#light(new Set([...this.kept, ...(element ? findings(element) : [])]));
  }

  #choose(event, element) {
    if (!element || event.target.closest("button, input, select, textarea, summary, label")) return;
    const link = event.target.closest("a.sentence");
    if (event.target.closest("a") && !link) return;
    const chosen = findings(element);
    const same = chosen.size === this.kept.size && [...chosen].every((c) => this.kept.has(c));
    this.keep(same ? new Set() : chosen);
    if (!link) return;
    event.preventDefault(); // the finding is lit, and need not be jumped to; without a script it is
    const finding = document.getElementById(`finding-${[...chosen][0]}`);
    finding?.closest("details")?.setAttribute("open", "");
    finding?.scrollIntoView({ block: "nearest" });
  }

  #light(concepts) {
    for (const element of this.root.querySelectorAll("[data-findings]")) {
      const lit = [...findings(element)].some((c) => concepts.has(c));
      element.classList.toggle("lit", lit);
    }
    this.room?.light(concepts);
  }
}

function findings(element) {
  return new Set(element.dataset.findings.split(" ").filter(Boolean));
}
