;; `build` computes for some tenths of a second.
(component
  (core module $m
    (global $left (mut i32) (i32.const 200000000))
    (func (export "build")
      (loop $again
        (global.set $left (i32.sub (global.get $left) (i32.const 1)))
        (br_if $again (global.get $left))))
    (func (export "left") (result i32) (global.get $left)))
  (core instance $i (instantiate $m))
  (func $build (canon lift (core func $i "build")))
  (func $left (result u32) (canon lift (core func $i "left")))
  (instance $probe (export "build" (func $build)) (export "left" (func $left)))
  (export "test:odd/probe" (instance $probe)))
