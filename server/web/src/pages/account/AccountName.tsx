/** Tells the browser's password manager, and nobody else, which account a password is for. */
export function AccountName({ email }: { readonly email: string }) {
  return <input type="email" autoComplete="username" value={email} readOnly hidden />;
}
