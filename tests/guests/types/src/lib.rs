//! Serves the promises about values: one method for each kind of type that crosses the boundary, and a class whose
//! methods cannot all be called because some have a resource in their type.

use std::cell::Cell;

use exports::test::types::counters::{self, CounterBorrow};
use exports::test::types::echo::{self, Bytes, Color, Pair, Permissions, Person, Shape};

wit_bindgen::generate!({ path: "wit" });

struct Types;

/// Writes the methods that return their only argument.
macro_rules! echo {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(fn $name(value: $type) -> $type {
            value
        })*
    };
}

/// Writes the methods that return their only argument in a tuple.
macro_rules! echo_in_tuple {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(fn $name(value: $type) -> ($type,) {
            (value,)
        })*
    };
}

impl echo::Guest for Types {
    echo! {
        echo_bool: bool,
        echo_s8: i8,
        echo_s16: i16,
        echo_s32: i32,
        echo_s64: i64,
        echo_u8: u8,
        echo_u16: u16,
        echo_u32: u32,
        echo_u64: u64,
        echo_f32: f32,
        echo_f64: f64,
        echo_char: char,
        echo_string: String,
        echo_list: Vec<i32>,
        echo_list_of_lists: Vec<Vec<String>>,
        echo_list_of_tuples: Vec<(String, u32)>,
        echo_option: Option<u32>,
        echo_option_option: Option<Option<u32>>,
        echo_option_record: Option<Person>,
        echo_tuple: (u32, String, bool),
        echo_record: Person,
        echo_nested: Pair,
        echo_variant: Shape,
        echo_enum: Color,
        echo_flags: Permissions,
        unwrap_result: Result<u32, String>,
        unwrap_result_ok: Result<u32, ()>,
        unwrap_result_err: Result<(), String>,
        unwrap_result_empty: Result<(), ()>,
        unwrap_result_variant: Result<Person, Shape>,
        echo_bytes: Bytes,
        echo_bytes_option: Option<Vec<u8>>,
        echo_string_option: Option<String>,
    }

    echo_in_tuple! {
        echo_result: Result<u32, String>,
        echo_result_ok: Result<u32, ()>,
        echo_result_err: Result<(), String>,
        echo_result_empty: Result<(), ()>,
    }

    fn echo_bytes_pair(left: Vec<u8>, right: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        (left, right)
    }

    fn echo_bytes_and_string(left: Vec<u8>, right: String) -> (Vec<u8>, String) {
        (left, right)
    }

    fn echo_string_pair(left: String, right: String) -> (String, String) {
        (left, right)
    }

    fn echo_bytes_result(value: Vec<u8>) -> Result<Vec<u8>, String> {
        if value.is_empty() { Err("no bytes".to_owned()) } else { Ok(value) }
    }

    fn echo_string_result(value: String) -> Result<String, Vec<u8>> {
        if value.is_empty() { Err(b"no text".to_vec()) } else { Ok(value) }
    }

    fn nothing() {}

    fn many(
        a: u8,
        b: u16,
        c: u32,
        d: u64,
        e: i8,
        f: i16,
        g: i32,
        h: i64,
        i: f32,
        j: f64,
        k: char,
        l: String,
        m: Vec<u8>,
        n: Option<u32>,
        o: bool,
        p: Color,
        q: Permissions,
        r: Person,
    ) -> String {
        format!("{a} {b} {c} {d} {e} {f} {g} {h} {i} {j} {k} {l} {m:?} {n:?} {o} {p:?} {q:?} {}", r.name)
    }

    fn make_bytes(length: u32) -> Vec<u8> {
        vec![b'x'; length as usize]
    }

    fn make_list(length: u32) -> Vec<u32> {
        (0..length).collect()
    }
}

struct Counter(Cell<u32>);

impl counters::GuestCounter for Counter {
    fn new(start: u32) -> Self {
        Self(Cell::new(start))
    }

    fn next(&self) -> u32 {
        self.0.set(self.0.get().wrapping_add(1));
        self.0.get()
    }

    fn merge(a: counters::Counter, b: counters::Counter) -> counters::Counter {
        let sum = a.get::<Self>().0.get().wrapping_add(b.get::<Self>().0.get());
        counters::Counter::new(Self(Cell::new(sum)))
    }
}

impl counters::Guest for Types {
    type Counter = Counter;

    fn open(start: u32) -> counters::Counter {
        counters::Counter::new(Counter(Cell::new(start)))
    }

    fn read(one: CounterBorrow<'_>) -> u32 {
        one.get::<Counter>().0.get()
    }

    fn read_all(all: Vec<Option<CounterBorrow<'_>>>) -> u32 {
        all.into_iter().flatten().map(|counter| counter.get::<Counter>().0.get()).fold(0, u32::wrapping_add)
    }

    fn total(starts: Vec<u32>) -> u32 {
        starts.into_iter().fold(0, u32::wrapping_add)
    }
}

export!(Types);
