# Debian packages (`make package`): one a component.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME shrike)
set(CPACK_PACKAGE_CONTACT "Shrike maintainers <maintainers@users.noreply.invalid>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program float dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME shrike)
set(CPACK_DEBIAN_FLOAT_PACKAGE_NAME shrike-float)
set(CPACK_DEBIAN_DEV_PACKAGE_NAME shrike-dev)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "Quantised networks for microcontrollers: run, measure and inspect .espdl files
 Finds objects in pictures, measures accuracy, runs a file with the chip's integers and compares layers. Quantising
 and float networks need shrike-float.")
set(CPACK_COMPONENT_FLOAT_DESCRIPTION "Float engine of Shrike: quantise, analyse and measure float networks
 A module that the program opens when it is needed. Uses LibTorch.")
set(CPACK_COMPONENT_DEV_DESCRIPTION "Headers, static libraries and CMake packages of Shrike
 The runtime for .espdl files, which needs no other library, and the toolchain's libraries.")
# Module and program must be of one build.
set(CPACK_DEBIAN_FLOAT_PACKAGE_DEPENDS "shrike (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "libfmt-dev, libyaml-cpp-dev, libonnx-dev, libprotobuf-dev, nlohmann-json3-dev, libjpeg62-turbo-dev, libpng-dev, zlib1g-dev")
include(CPack)
