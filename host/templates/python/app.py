"""The class `greeter`: hooks around its life, and a method, as `wit/greeter.wit` has them.

The bindings make a new object for each call, so what outlives one is kept in the module.
"""

from componentize_py_types import Err
from wit_world import exports

greetings: dict[str, str] = {}
greeting = ""
greeted = 0


class Greeter(exports.Greeter):
    # Runs once, when the app is loaded for the first time. All instances start from a snapshot of
    # what it left: what takes long and is always the same belongs here.
    def build(self) -> None:
        greetings.update(de="Hallo", en="Hello", es="Hola", fr="Bonjour")

    # Runs once per instance. Its arguments are the parameters of the class, and each set of them has
    # instances of its own: connections and models are opened here.
    def enter(self, language: str) -> None:
        global greeting
        if language not in greetings:
            raise Err(f"there is no greeting in `{language}`, only in {', '.join(greetings)}")
        greeting = greetings[language]

    def greet(self, name: str) -> str:
        global greeted
        if not name:
            raise Err("nobody is there to greet")
        greeted += 1
        return f"{greeting}, {name}!"

    # Runs once per instance, before it goes.
    def exit(self) -> None:
        print(f"said `{greeting}` {greeted} times", flush=True)
