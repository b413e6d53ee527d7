;; A module with a start function. Run again in an instance that has been built, it would undo what `build` did.
(component
  (core module $m
    (global $built (mut i32) (i32.const -1))
    (memory 1)
    (func $start (global.set $built (i32.const 0)) (i32.store (i32.const 8) (i32.const 0)))
    (start $start)
    (func (export "build")
      (global.set $built (i32.add (global.get $built) (i32.const 1)))
      (i32.store (i32.const 8) (i32.const 1)))
    (func (export "built") (result i32) (i32.mul (global.get $built) (i32.load (i32.const 8)))))
  (core instance $i (instantiate $m))
  (func $build (canon lift (core func $i "build")))
  (func $built (result u32) (canon lift (core func $i "built")))
  (instance $probe (export "build" (func $build)) (export "built" (func $built)))
  (export "test:odd/probe" (instance $probe)))
