"""The class `my-class` in Python: what `enter` stores in the module, every later call of the instance finds there.

The bindings make a new object for each call, so `self` is no place for state that outlives one.
"""

from wit_world import exports

parameters: tuple[str, int]


class MyClass(exports.MyClass):
    def enter(self, foo: str, bar: int) -> None:
        global parameters
        parameters = (foo, bar)

    def baz(self, qux: str) -> str:
        foo, bar = parameters
        return f"This code is running in instance pool ({foo}, {bar}), with input qux={qux}"
