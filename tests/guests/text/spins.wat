;; `build` never ends.
(component
  (core module $m
    (func (export "build") (loop $again (br $again)))
    (func (export "built") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $build (canon lift (core func $i "build")))
  (func $built (result u32) (canon lift (core func $i "built")))
  (instance $probe (export "build" (func $build)) (export "built" (func $built)))
  (export "test:odd/probe" (instance $probe)))
