const codes =
  `alabama al alaska ak arizona az arkansas ar california ca colorado co connecticut ct delaware de
district_of_columbia dc florida fl georgia ga hawaii hi idaho id illinois il indiana in iowa ia kansas ks kentucky ky
louisiana la maine me maryland md massachusetts ma michigan mi minnesota mn mississippi ms missouri mo montana mt
nebraska ne nevada nv new_hampshire nh new_jersey nj new_mexico nm new_york ny north_carolina nc north_dakota nd ohio oh
oklahoma ok oregon or pennsylvania pa rhode_island ri south_carolina sc south_dakota sd tennessee tn texas tx utah ut
vermont vt virginia va washington wa west_virginia wv wisconsin wi wyoming wy`.split(/\s+/);

/** A state of the United States, in the two spellings that providers want. */
export interface UsState {
  /** As in `new_york`. */
  readonly name: string;
  /** As in `ny`. */
  readonly code: string;
}

const states = new Map<string, UsState>();
for (let index = 0; index < codes.length; index += 2) {
  const state = { name: codes[index] ?? "", code: codes[index + 1] ?? "" };
  states.set(state.name, state).set(state.code, state);
}

/** The state by its name or its code; `undefined` when there is none. */
export function usState(text: string): UsState | undefined {
  return states.get(text);
}
