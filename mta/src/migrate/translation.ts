/** A text that another mail system's settings are read from. */
export interface InputFile {
  /** As the user named it; only shown, never opened. */
  readonly name: string;
  readonly text: string;
}

/** Where in the input something stands; lines count from 1. */
export interface Origin {
  readonly file: string;
  readonly line: number;
}

/** What the output does not say, or says otherwise than the input: for a person to decide. */
export interface NotTranslated extends Origin {
  /** The directive as written, with its block: `provider.google.smtp_port`. `''` = the file as a whole. */
  readonly directive: string;
  /** Why, and what to do instead where there is something. */
  readonly reason: string;
}

export interface Translation {
  /** YAML texts of EgressPools and ShapingPolicies, one resource each, with comments that name their origin. */
  readonly documents: readonly string[];
  /** In the order of the input. */
  readonly notTranslated: readonly NotTranslated[];
}

/** Takes down what is not translated; a directive twice for one reason counts once. */
export class Omissions {
  readonly #found = new Map<string, NotTranslated>();

  add(origin: Origin, directive: string, reason: string): void {
    const key = `${origin.file}\n${origin.line}\n${directive}\n${reason}`;
    this.#found.set(key, { file: origin.file, line: origin.line, directive, reason });
  }

  /** Sorted by the order of the files, then by line. */
  list(files: readonly string[]): readonly NotTranslated[] {
    const rank = new Map(files.map((file, index) => [file, index]));
    return [...this.#found.values()].toSorted(
      (a, b) => (rank.get(a.file) ?? 0) - (rank.get(b.file) ?? 0) || a.line - b.line,
    );
  }
}
