/** Where the variables come from: the environment, which wins, and `config/.env` under the working directory. */
import { isSecretName, maskUrl } from "../engine/telemetry/mask.ts";
import { parseEnvFile } from "./env_file.ts";
import { type Config, type Machine, parseConfig, VARIABLE_NAMES } from "./schema.ts";

export const ENV_FILE = "config/.env";

/** The operator's mistakes, one readable line each; the root prints them and exits with 2. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[], options?: ErrorOptions) {
    super(mistakes.join("\n"), options);
    this.mistakes = mistakes;
  }
}

/** What `loadConfig` reads from; left out, the process's own. */
export interface ConfigSources {
  readonly variable?: (name: string) => string | undefined;
  readonly envFile?: string;
  readonly machine?: Machine;
}

/**
 * The configuration of this process. Asks the environment for the known names only, so that the
 * process needs no right to the others.
 *
 * @throws {ConfigError} with every mistake of the environment and the file.
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const path = sources.envFile ?? ENV_FILE;
  const file = parseEnvFile(readIfPresent(path));
  const variable = sources.variable ?? ((name) => Deno.env.get(name));
  const variables: Record<string, string | undefined> = { ...file.variables };
  for (const name of VARIABLE_NAMES) variables[name] = variable(name) ?? variables[name];
  const result = parseConfig(variables, sources.machine ?? thisMachine());
  const mistakes = file.mistakes.map((mistake) => `${path}: ${mistake}`);
  if ("mistakes" in result) mistakes.push(...result.mistakes);
  if ("mistakes" in result || mistakes.length > 0) throw new ConfigError(mistakes);
  return result.config;
}

function readIfPresent(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return "";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError([`${path}: cannot be read: ${reason}`], { cause });
  }
}

function thisMachine(): Machine {
  return { hostname: Deno.hostname(), cores: navigator.hardwareConcurrency };
}

/** Each setting as text for people to read, secrets masked. */
export function describeConfig(config: Config): Record<keyof Config, string> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [name, describeValue(masked(name, value))]),
  ) as Record<keyof Config, string>;
}

function describeValue(value: unknown): string {
  if (value === null) return "";
  if (Array.isArray(value)) return value.map(describeListed).join(",");
  if (typeof value === "object") {
    const members = Object.entries(value).map(([name, member]) => [name, masked(name, member)]);
    return JSON.stringify(Object.fromEntries(members));
  }
  return typeof value === "string" ? maskUrl(value) : String(value);
}

function describeListed(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function masked(name: string, value: unknown): unknown {
  return value !== null && isSecretName(name) ? "***" : value;
}
