const names = new Intl.DisplayNames("en", { type: "region", fallback: "code" });

/** The English name of a country of two letters (ISO 3166-1): "Germany" for "de". */
export function countryName(country: string): string {
  return names.of(country.toUpperCase()) ?? country.toUpperCase();
}
