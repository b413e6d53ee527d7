;; `build` takes and writes to one page after another, until there is none.
(component
  (core module $m
    (memory 0)
    (func (export "build") (local $page i32)
      (loop $again
        (local.set $page (memory.grow (i32.const 1)))
        (if (i32.lt_s (local.get $page) (i32.const 0)) (then unreachable))
        (i32.store (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1))
        (br $again)))
    (func (export "built") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $build (canon lift (core func $i "build")))
  (func $built (result u32) (canon lift (core func $i "built")))
  (instance $probe (export "build" (func $build)) (export "built" (func $built)))
  (export "test:odd/probe" (instance $probe)))
