/** An answer in time, or the one that stands for none. */

/** What `work` resolves to, or `late` once `deadlineMs` are over; the work goes on unheard. */
export async function within<T>(
  work: Promise<T>,
  options: { readonly deadlineMs: number; readonly late: T },
): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const timer = setTimeout(() => resolve(options.late), options.deadlineMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
