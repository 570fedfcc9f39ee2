#include <bitmar/bitmar.hpp>
#include <iostream>

int main(int argc, char** argv) {
  const auto engine = bitmar::Engine::open(argc > 1 ? argv[1] : "");
  if (!engine) {
    std::cerr << engine.error().message << '\n';
    return 1;
  }
  auto session = bitmar::Session::open(*engine).value();
  auto options = bitmar_generate_options_default();
  options.maximum_tokens = 5;
  options.stop_at_end = false;
  std::cout << "bitmar " << bitmar_version() << ": " << session.generate("dog", options).value().ids().size()
            << " tokens\n";
}
