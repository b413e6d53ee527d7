;; `build` makes what tasks wait for, and leaves it.
(component
  (core func $new (canon waitable-set.new))
  (core module $m
    (import "set" "new" (func $new (result i32)))
    (global $built (mut i32) (i32.const 0))
    (func (export "build")
      (drop (call $new))
      (global.set $built (i32.add (global.get $built) (i32.const 1))))
    (func (export "built") (result i32) (global.get $built)))
  (core instance $i (instantiate $m (with "set" (instance (export "new" (func $new))))))
  (func $build (canon lift (core func $i "build")))
  (func $built (result u32) (canon lift (core func $i "built")))
  (instance $probe (export "build" (func $build)) (export "built" (func $built)))
  (export "test:odd/probe" (instance $probe)))
