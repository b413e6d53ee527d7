// The class `greeter`: hooks around its life, and a method, as `wit/greeter.wit` has them. What outlives a call is kept in
// the module.

let greetings;
let greeting;
let greeted = 0;

export const greeter = {
  // Runs once, when the app is loaded for the first time. All instances start from a snapshot of what it left: what takes
  // long and is always the same belongs here.
  build() {
    greetings = new Map([["de", "Hallo"], ["en", "Hello"], ["es", "Hola"], ["fr", "Bonjour"]]);
  },

  // Runs once per instance. Its arguments are the parameters of the class, and each set of them has instances of its own:
  // connections and models are opened here.
  enter(language) {
    if (!greetings.has(language)) {
      throw `there is no greeting in \`${language}\`, only in ${[...greetings.keys()].join(", ")}`;
    }
    greeting = greetings.get(language);
  },

  greet(name) {
    if (name === "") throw "nobody is there to greet";
    greeted += 1;
    return `${greeting}, ${name}!`;
  },

  // Runs once per instance, before it goes.
  exit() {
    console.log(`said \`${greeting}\` ${greeted} times`);
  },
};
