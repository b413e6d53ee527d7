;; One module, instantiated twice, with a state of its own each time: `build` counts in the second, `built` adds both.
(component
  (core module $m
    (global $built (mut i32) (i32.const 0))
    (func (export "build") (global.set $built (i32.add (global.get $built) (i32.const 1))))
    (func (export "built") (result i32) (global.get $built)))
  (core instance $one (instantiate $m))
  (core instance $other (instantiate $m))
  (core module $sum
    (import "one" "built" (func $one (result i32)))
    (import "other" "built" (func $other (result i32)))
    (func (export "built") (result i32) (i32.add (call $one) (call $other))))
  (core instance $both (instantiate $sum (with "one" (instance $one)) (with "other" (instance $other))))
  (func $build (canon lift (core func $other "build")))
  (func $built (result u32) (canon lift (core func $both "built")))
  (instance $probe (export "build" (func $build)) (export "built" (func $built)))
  (export "test:odd/probe" (instance $probe)))
