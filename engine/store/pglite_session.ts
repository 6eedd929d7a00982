/**
 * The one session of the embedded database: runs what a client sent, to its end, and answers what the
 * database says. Drives PGlite's module itself, because PGlite's own loop swallows the exceptions that
 * mean the database is beyond repair, and parses and copies every answer.
 *
 * All connections share this session, hence its settings, temporary tables and session-level advisory
 * locks: those exclude nobody here, transaction-level ones do.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { frame } from "./pg_frames.ts";
import { DurableFiles, syncPath, syncTree } from "./pglite_files.ts";

/** The database inside PGlite ended; only a new worker helps. */
export class PgliteFatalError extends Error {
  override name = "PgliteFatalError";
}

/** Exit status by which PGlite reports Postgres' own error recovery: not an end. */
const LONGJMP_STATUS = 100;
const LOG_LINES = 20;
const LOG_LINE_LENGTH = 300;

const SETTINGS = [
  "fsync=on",
  "wal_sync_method=fsync",
  "synchronous_commit=on",
  "full_page_writes=on",
  // As `PLANNER_SETTINGS` has it for clients of a real server: this session is all clients'.
  "enable_seqscan=off",
  "jit=off",
  "plan_cache_mode=force_generic_plan",
  "log_min_messages=fatal",
];

/** What is used of PGlite's module, beyond what its published types say. */
interface PostgresModule {
  readonly HEAPU8: Uint8Array;
  addFunction(callback: (pointer: number, length: number) => number, signature: string): number;
  stackSave(): number;
  stackRestore(pointer: number): void;
  _pgl_set_rw_cbs(read: number, write: number): void;
  _pq_buffer_remaining_data(): number;
  _PostgresMainLoopOnce(): void;
  _PostgresMainLongJmp(): void;
  _PostgresSendReadyForQueryIfNecessary(): void;
  _pgl_pq_flush(): void;
}

const SYNC = frame("S");
const COPY_FAIL = frame("f", "no rows came with it\0");
const COPY_FAIL_AND_SYNC = new Uint8Array([...COPY_FAIL, ...SYNC]);
const NOTHING = new Uint8Array(0);

export class PgliteSession {
  /** What a client gets in answer to its startup packet. */
  readonly greeting: Uint8Array;
  readonly #pg: PGlite;
  readonly #module: PostgresModule;
  readonly #log: string[];
  #input: Uint8Array = NOTHING;
  #at = 0;
  #sink: (octets: Uint8Array) => void = () => {};

  /** Opens the database below `dataDir`, creating it first when there is none. */
  static async open(dataDir: string): Promise<PgliteSession> {
    const root = join(dataDir, "postgres");
    if (!existsSync(join(root, "PG_VERSION"))) await create(dataDir, root);
    const log: string[] = [];
    return new PgliteSession(await start(root, log), log);
  }

  private constructor(pg: PGlite, log: string[]) {
    this.#pg = pg;
    this.#log = log;
    this.greeting = pg.execProtocolRawSync(startupPacket()).slice();
    const module = pg.Module as unknown as PostgresModule;
    this.#module = module;
    const read = module.addFunction((pointer, length) => this.#read(pointer, length), "ipi");
    const write = module.addFunction((pointer, length) => {
      this.#sink(module.HEAPU8.subarray(pointer, pointer + length));
      return length;
    }, "ipi");
    module._pgl_set_rw_cbs(read, write);
  }

  get inTransaction(): boolean {
    return this.#pg.isInTransaction();
  }

  /**
   * Runs whole messages, synchronously.
   *
   * @param onOutput gets views into the database's memory, valid during the call.
   * @throws {PgliteFatalError} the session is of no use any more.
   */
  run(octets: Uint8Array, onOutput: (octets: Uint8Array) => void): void {
    const module = this.#module;
    this.#input = octets;
    this.#at = 0;
    this.#sink = onOutput;
    try {
      while (this.#at < this.#input.length || module._pq_buffer_remaining_data() > 0) {
        const stack = module.stackSave();
        try {
          module._PostgresMainLoopOnce();
        } catch (error) {
          module.stackRestore(stack);
          if ((error as { status?: unknown }).status !== LONGJMP_STATUS) throw error;
          module._PostgresMainLongJmp();
        }
      }
      module._PostgresSendReadyForQueryIfNecessary();
      module._pgl_pq_flush();
    } catch (error) {
      const said = this.#log.length > 0 ? `: ${this.#log.join(" / ")}` : "";
      throw new PgliteFatalError(`the embedded database stopped${said}`, { cause: error });
    } finally {
      this.#input = NOTHING;
    }
  }

  /** Shuts the database down, with a checkpoint. */
  close(): Promise<void> {
    return this.#pg.close();
  }

  #read(pointer: number, length: number): number {
    // Whole messages come in, so only a COPY that reached us without its rows asks for more; an end of
    // input would end the database.
    if (this.#at === this.#input.length) {
      this.#input = endsWithSync(this.#input) ? COPY_FAIL_AND_SYNC : COPY_FAIL;
      this.#at = 0;
    }
    const end = Math.min(this.#at + length, this.#input.length);
    this.#module.HEAPU8.set(this.#input.subarray(this.#at, end), pointer);
    const count = end - this.#at;
    this.#at = end;
    return count;
  }
}

/** Builds the database aside, so that an interrupted creation leaves nothing that looks like one. */
async function create(dataDir: string, root: string): Promise<void> {
  const aside = `${root}.new`;
  rmSync(aside, { recursive: true, force: true });
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  const pg = await start(aside, []);
  // Nobody could connect to the templates to freeze their old rows, and the oldest database decides
  // when transaction ids run out.
  await pg.exec("UPDATE pg_database SET datistemplate = false WHERE datname LIKE 'template%'");
  await pg.exec("DROP DATABASE template1");
  await pg.exec("DROP DATABASE template0");
  await pg.close();
  syncTree(aside);
  renameSync(aside, root);
  syncPath(dataDir);
}

async function start(root: string, log: string[]): Promise<PGlite> {
  const remember = (line: string) => {
    log.push(line.slice(0, LOG_LINE_LENGTH));
    if (log.length > LOG_LINES) log.shift();
    return false;
  };
  try {
    return await PGlite.create({
      fs: new DurableFiles(root),
      startParams: [
        ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
        ...SETTINGS.flatMap((setting) => ["-c", setting]),
      ],
      onStderr: remember,
    });
  } catch (error) {
    const said = log.length > 0 ? `: ${log.join(" / ")}` : "";
    throw new Error(`the embedded database in ${root} did not start${said}`, { cause: error });
  }
}

function endsWithSync(octets: Uint8Array): boolean {
  const tail = octets.subarray(-SYNC.length);
  return tail.length === SYNC.length && tail.every((octet, index) => octet === SYNC[index]);
}

function startupPacket(): Uint8Array {
  const parameters = new TextEncoder().encode("user\0postgres\0database\0postgres\0\0");
  const packet = new Uint8Array(8 + parameters.length);
  const view = new DataView(packet.buffer);
  view.setInt32(0, packet.length);
  view.setInt32(4, 3 << 16);
  packet.set(parameters, 8);
  return packet;
}
