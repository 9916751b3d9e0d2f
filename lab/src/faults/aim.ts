import { z } from "zod";

/** Where a daemon is to end itself. */
export const aimSchema = z.object({
  /** File from the repository's root, line and column of what is awaited. */
  point: z.string(),
  /** While it waits: what is awaited has begun; or as it goes on: that has ended, and nothing has been made of it. */
  moment: z.enum(["waits", "goes on"]),
  /** The how manieth time it passes. */
  passing: z.int().positive(),
  end: z.enum(["SIGKILL", "abort"]),
});
export type Aim = z.infer<typeof aimSchema>;

/** Files in the folder that `LAB_POINTS` names. The aim is taken away as it is hit. */
export const AIM_FILE = "aim.json";
/** A line `point count` whenever the count of a point's passings is a power of two. */
export const PASSED_FILE = "passed";
/** The line that says that the aim, or that there is none, was read, and that passings are counted anew. */
export const AIM_READ = "aim read";
