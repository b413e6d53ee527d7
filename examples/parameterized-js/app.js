// The class `my-class` in JavaScript: what `enter` stores in the module, every later call of the instance finds there.

let parameters;

export const myClass = {
  enter(foo, bar) {
    parameters = { foo, bar };
  },

  baz(qux) {
    const { foo, bar } = parameters;
    return `This code is running in instance pool (${foo}, ${bar}), with input qux=${qux}`;
  },
};
