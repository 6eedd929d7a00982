/** What the directory of local domains and users knows of a mailbox (RFC 5321 §3.3, §3.9). */

export type DirectoryAnswer =
  | { readonly kind: "not_local" }
  | { readonly kind: "no_such_user" }
  /** `user` is the directory's name of the mailbox, without what stands behind its `+`. */
  | { readonly kind: "mailbox"; readonly domain: string; readonly user: string }
  /** `targets`: mailboxes, and `@domain` for the same local part there. `user`: who has the name himself. */
  | { readonly kind: "alias"; readonly targets: readonly string[]; readonly user: string | null }
  /** An alias with more targets than one may have. */
  | { readonly kind: "too_large" };
