;; A guest with a vector in a global, which `build` adds to.
(component
  (core module $m
    (global $built (mut v128) (v128.const i32x4 0 0 0 0))
    (func (export "build")
      (global.set $built (i32x4.add (global.get $built) (v128.const i32x4 0 0 0 1))))
    (func (export "built") (result i32) (i32x4.extract_lane 3 (global.get $built))))
  (core instance $i (instantiate $m))
  (func $build (canon lift (core func $i "build")))
  (func $built (result u32) (canon lift (core func $i "built")))
  (instance $probe (export "build" (func $build)) (export "built" (func $built)))
  (export "test:odd/probe" (instance $probe)))
