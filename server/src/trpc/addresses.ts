import { z } from "zod";
import { procedure, router } from "./procedures.ts";
import { credentialId } from "./shapes.ts";

const tags = ["limits"];

const addressesShape = z.object({
  credentialId,
  method: z.enum(["password", "address", "password_and_address"]),
  addresses: z.array(z.string().min(1).max(100)).max(64),
});

export const addressesRouter = router({
  get: procedure
    .meta({
      openapi: {
        method: "GET",
        path: "/credentials/{credentialId}/addresses",
        tags,
        summary: "How clients show that a credential is theirs, and from which addresses",
      },
    })
    .input(z.object({ credentialId }))
    /** `yours`: the address that this question came from. */
    .output(addressesShape.extend({ yours: z.string().nullable() }))
    .query(async ({ ctx, input }) => {
      const { addresses, ...rest } = await ctx.services.addresses.get(ctx.caller, input.credentialId);
      return { ...rest, addresses: [...addresses], yours: ctx.caller.address };
    }),

  set: procedure
    .meta({
      openapi: {
        method: "PUT",
        path: "/credentials/{credentialId}/addresses",
        tags,
        summary: "Set how a credential is shown and from which addresses; it holds within a second",
      },
    })
    .input(addressesShape)
    .output(addressesShape)
    .mutation(async ({ ctx, input }) => {
      const { addresses, ...rest } = await ctx.services.addresses.set(ctx.caller, input);
      return { ...rest, addresses: [...addresses] };
    }),
});
