/** A setting that cannot be read. The message is one sentence that names it and never shows its value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
