import type { ControlErrorBody } from "@atlantic/shared/control/messages.ts";

/** A control request that failed; the message is for people and holds no secret. */
export class ControlFailure extends Error {
  override readonly name = "ControlFailure";
  readonly code: ControlErrorBody["code"];

  constructor(code: ControlErrorBody["code"], message: string) {
    super(message);
    this.code = code;
  }
}
